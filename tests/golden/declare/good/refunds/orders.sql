SELECT max(changed_at) FROM orders
