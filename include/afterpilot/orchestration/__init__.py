"""The only place that knows Airflow: tasks, connections, the DAGs' common settings and the plugin."""
