"""What machines ask: behind tokens of their own, apart from Airflow's login."""
