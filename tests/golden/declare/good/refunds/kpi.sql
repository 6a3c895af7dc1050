SELECT week, hours FROM refund_hours; -- one row for each week
