def prompt(context): return "x"
