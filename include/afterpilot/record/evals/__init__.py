"""Evals: samples, results, judgements, baselines, and corrections offered as cases."""
