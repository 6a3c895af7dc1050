-- Minutes of human time per invoice, by the ISO week in which the invoice was read.
-- An invoice that nobody had to touch counts with 0 minutes; a week in which nobody noted any time has no value.
-- Nothing here says which invoices still wait for a clerk, so none of the last two days counts: most of those are not decided
-- on yet and would count with 0. One that waits for longer still does, and the report names it. The two days end with the
-- newest entry, so that a database that stands still keeps its figures.
WITH handled AS (
    SELECT run_id, sum(minutes) AS minutes
    FROM ap_decisions
    GROUP BY run_id
),
newest AS (
    SELECT greatest(
        (SELECT max(finished_at) FROM ai_invoice_runs),
        (SELECT max(decided_at) FROM ap_decisions)
    ) AS at
)
SELECT
    CAST(date_trunc('week', runs.finished_at AT TIME ZONE 'UTC') AS date) AS week_start,
    round(sum(handled.minutes) / count(*), 3) AS value
FROM ai_invoice_runs AS runs
CROSS JOIN newest
LEFT JOIN handled ON handled.run_id = runs.run_id
WHERE runs.finished_at < newest.at - interval '2 days'
GROUP BY 1
ORDER BY 1
