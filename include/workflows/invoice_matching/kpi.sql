-- Minutes of human time per invoice, by the ISO week in which the invoice was read.
-- An invoice that nobody had to touch counts with 0 minutes; a week in which nobody noted any time has no value.
WITH handled AS (
    SELECT run_id, sum(minutes) AS minutes
    FROM ap_decisions
    GROUP BY run_id
)
SELECT
    CAST(date_trunc('week', runs.finished_at AT TIME ZONE 'UTC') AS date) AS week_start,
    round(sum(handled.minutes) / count(*), 3) AS value
FROM ai_invoice_runs AS runs
LEFT JOIN handled ON handled.run_id = runs.run_id
GROUP BY 1
ORDER BY 1
