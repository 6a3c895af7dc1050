"""Reports what a workflow achieved: the week's outcome, as figures, as a message, as a picture."""
