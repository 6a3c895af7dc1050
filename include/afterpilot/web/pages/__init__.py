"""One module for each group of pages; each gives a router over the frame."""
