-- The first layout. A run's row is small, so that lists pass over many of them; its result stands apart.

CREATE TABLE runs (
    -- The order of runs, whatever the clock says. Never given twice.
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    owner           TEXT NOT NULL,
    -- The process that made it: the name of its lock in the folder `runs.db.live`.
    process         TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN
                    ('queued', 'running', 'finished', 'failed', 'cancelled', 'interrupted')),
    tool            TEXT NOT NULL,
    target          TEXT NOT NULL,
    arguments       TEXT NOT NULL CHECK (json_valid(arguments)),
    call_key        TEXT NOT NULL,
    client          TEXT,
    correlation_id  TEXT NOT NULL,
    -- Milliseconds since 1970 in UTC.
    queued_ms       INTEGER NOT NULL,
    started_ms      INTEGER,
    ended_ms        INTEGER,
    status          TEXT,
    error_type      TEXT,
    return_code     INTEGER,
    policy_digest   TEXT,
    tier            TEXT,
    parser          TEXT,
    -- What the tool was aimed at: of a name, the address that it had.
    address         TEXT,
    -- The first line of what it came to.
    headline        TEXT,
    cancel_asked_ms INTEGER,
    progress        TEXT CHECK (progress IS NULL OR json_valid(progress)),
    -- Bytes of its arguments, its result and its text.
    kept_bytes      INTEGER NOT NULL
) STRICT;

-- Each has `seq` behind it, as every index has the table's key.
CREATE INDEX runs_by_owner ON runs (owner);
CREATE INDEX runs_by_tool ON runs (tool);
CREATE INDEX runs_by_target ON runs (target);
-- Nearly all are finished: who asks for those finds them anywhere.
CREATE INDEX runs_not_finished ON runs (state) WHERE state <> 'finished';
CREATE INDEX runs_by_end ON runs (ended_ms) WHERE ended_ms IS NOT NULL;
CREATE INDEX runs_by_call ON runs (call_key) WHERE state = 'finished';
CREATE INDEX runs_going_on ON runs (process) WHERE state IN ('queued', 'running');

CREATE TABLE results (
    seq  INTEGER PRIMARY KEY,
    json TEXT NOT NULL CHECK (json_valid(json)),
    -- What it came to, as a text for people and models.
    text TEXT
) STRICT;

-- How much is kept, so that nobody has to count.
CREATE TABLE totals (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    runs  INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (1, 0, 0);

CREATE TRIGGER run_kept AFTER INSERT ON runs BEGIN
    UPDATE totals SET runs = runs + 1, bytes = bytes + new.kept_bytes;
END;
CREATE TRIGGER run_grown AFTER UPDATE OF kept_bytes ON runs BEGIN
    UPDATE totals SET bytes = bytes - old.kept_bytes + new.kept_bytes;
END;
CREATE TRIGGER run_dropped AFTER DELETE ON runs BEGIN
    DELETE FROM results WHERE seq = old.seq;
    UPDATE totals SET runs = runs - 1, bytes = bytes - old.kept_bytes;
END;

-- What is in results, as tables. Nothing of it is written: each is read from the results when it is asked for.

CREATE VIEW hosts AS
SELECT r.id AS run, r.owner, r.tool, r.target, r.ended_ms,
       h.value ->> '$.address' AS address, h.value ->> '$.hostnames[0]' AS name,
       h.value ->> '$.mac' AS mac, h.value ->> '$.state' AS state
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.hosts') h
WHERE r.parser = 'nmap-xml' AND h.type = 'object'
UNION ALL
SELECT r.id, r.owner, r.tool, r.target, r.ended_ms,
       x.json ->> '$.parsed.address', x.json ->> '$.parsed.target',
       NULL, iif(x.json ->> '$.parsed.alive', 'up', 'silent')
FROM runs r JOIN results x USING (seq)
WHERE r.parser = 'ping' AND x.json ->> '$.parsed.alive' IS NOT NULL
UNION ALL
SELECT r.id, r.owner, r.tool, r.target, r.ended_ms,
       x.json ->> '$.parsed.target', NULL, h.value ->> '$.mac', 'up'
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.owners') h
WHERE r.parser = 'arping' AND h.type = 'object'
UNION ALL
SELECT r.id, r.owner, r.tool, r.target, r.ended_ms,
       h.value ->> '$.address', NULL, h.value ->> '$.mac', lower(h.value ->> '$.states[0]')
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.neighbours') h
WHERE r.parser = 'ip-json' AND h.type = 'object';

CREATE VIEW ports AS
SELECT r.id AS run, r.owner, r.tool, r.target, r.ended_ms,
       h.value ->> '$.address' AS address, p.value ->> '$.port' AS port, p.value ->> '$.proto' AS proto,
       p.value ->> '$.state' AS state, p.value ->> '$.service' AS service,
       p.value ->> '$.product' AS product, p.value ->> '$.version' AS version
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.hosts') h, json_each(h.value, '$.ports') p
WHERE r.parser = 'nmap-xml' AND h.type = 'object' AND p.type = 'object'
UNION ALL
SELECT r.id, r.owner, r.tool, r.target, r.ended_ms,
       x.json ->> '$.parsed.address', x.json ->> '$.parsed.port', 'tcp', 'open', 'tls', NULL, NULL
FROM runs r JOIN results x USING (seq)
WHERE r.parser = 'tls' AND x.json ->> '$.parsed.connected'
UNION ALL
SELECT r.id, r.owner, r.tool, r.target, r.ended_ms,
       x.json ->> '$.parsed.address', x.json ->> '$.parsed.port', 'tcp', 'open', 'http', NULL, NULL
FROM runs r JOIN results x USING (seq)
WHERE r.parser = 'curl' AND x.json ->> '$.parsed.status' IS NOT NULL;

CREATE VIEW hops AS
SELECT r.id AS run, r.owner, r.tool, r.target, r.ended_ms,
       h.value ->> '$.number' AS number, p.value ->> '$.address' AS address, p.value ->> '$.name' AS name,
       min(p.value ->> '$.rtt_ms') AS rtt_ms, NULL AS loss_percent
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.hops') h
     LEFT JOIN json_each(h.value, '$.probes') p ON p.type = 'object'
WHERE r.parser = 'traceroute' AND h.type = 'object'
GROUP BY r.seq, h.value ->> '$.number', p.value ->> '$.address'
UNION ALL
SELECT r.id, r.owner, r.tool, r.target, r.ended_ms,
       h.value ->> '$.number', h.value ->> '$.address', h.value ->> '$.name',
       coalesce(h.value ->> '$.avg_ms', h.value ->> '$.rtt_ms'), h.value ->> '$.loss_percent'
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.hops') h
WHERE r.parser IN ('mtr', 'tracepath') AND h.type = 'object'
UNION ALL
SELECT r.id, r.owner, r.tool, r.target, r.ended_ms,
       p.value ->> '$.number', p.value ->> '$.address', NULL, p.value ->> '$.rtt_ms', NULL
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.hosts') h, json_each(h.value, '$.route') p
WHERE r.parser = 'nmap-xml' AND h.type = 'object' AND p.type = 'object';

CREATE VIEW replies AS
SELECT r.id AS run, r.owner, r.tool, r.target, r.ended_ms,
       p.value ->> '$.sequence' AS sequence, p.value ->> '$.from' AS address, p.value ->> '$.time_ms' AS time_ms,
       p.value ->> '$.ttl' AS ttl, p.value ->> '$.bytes' AS bytes, p.value ->> '$.duplicate' AS duplicate
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.replies') p
WHERE r.parser = 'ping' AND p.type = 'object';

CREATE VIEW records AS
SELECT r.id AS run, r.owner, r.tool, r.target, r.ended_ms,
       x.json ->> '$.parsed.server' AS server, a.value ->> '$.name' AS name, a.value ->> '$.type' AS type,
       a.value ->> '$.ttl' AS ttl, a.value ->> '$.data' AS data
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.answer') a
WHERE r.parser = 'dig' AND a.type = 'object';

CREATE VIEW certificates AS
SELECT r.id AS run, r.owner, r.tool, r.target, r.ended_ms,
       x.json ->> '$.parsed.address' AS address, x.json ->> '$.parsed.port' AS port,
       c.key AS place, c.value ->> '$.subject' AS subject, c.value ->> '$.issuer' AS issuer,
       c.value -> '$.names' AS names, c.value ->> '$.not_before' AS not_before,
       c.value ->> '$.not_after' AS not_after, c.value ->> '$.days_left' AS days_left,
       c.value ->> '$.serial' AS serial, c.value ->> '$.self_signed' AS self_signed
FROM runs r JOIN results x USING (seq), json_each(x.json, '$.parsed.chain') c
WHERE r.parser = 'tls' AND c.type = 'object';
