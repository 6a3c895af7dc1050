-- Seconds within which 95 of 100 invoices are read, by the ISO week in which the invoice was read.
SELECT
    CAST(date_trunc('week', finished_at AT TIME ZONE 'UTC') AS date) AS week_start,
    round(CAST(percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) / 1000 AS numeric), 1) AS value
FROM ai_invoice_runs
GROUP BY 1
ORDER BY 1
