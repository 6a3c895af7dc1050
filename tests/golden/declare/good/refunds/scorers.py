def polite(answer, case, reply):
    """No letter in capitals alone."""
    return answer != answer.upper()
