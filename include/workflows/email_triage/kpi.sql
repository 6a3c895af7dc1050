-- Share of mails, in percent, that people had to move after they were sorted, by the ISO week in which the mail was sorted.
-- Only mails that somebody looked at count: of the others nobody knows.
WITH looked_at AS (
    SELECT run_id, bool_or(decision = 'moved') AS moved
    FROM sorted_by_people
    GROUP BY run_id
)
SELECT
    CAST(date_trunc('week', runs.finished_at AT TIME ZONE 'UTC') AS date) AS week_start,
    round(100.0 * count(*) FILTER (WHERE looked_at.moved) / count(*), 2) AS value
FROM triage_runs AS runs
JOIN looked_at ON looked_at.run_id = runs.run_id
GROUP BY 1
ORDER BY 1
