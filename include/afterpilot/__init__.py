"""Afterpilot: the production operations pipeline for AI workflows, on Apache Airflow."""
