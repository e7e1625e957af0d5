-- What was removed to stay within the limits, and what tells which contents may go with a round.

CREATE TABLE removed (
    session TEXT NOT NULL,
    round   INTEGER NOT NULL,
    -- The round's own id.
    id      TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    -- Whether something of it is still there.
    pending INTEGER NOT NULL,
    PRIMARY KEY (session, round)
) STRICT, WITHOUT ROWID;

CREATE INDEX removed_pending ON removed (at_ms) WHERE pending = 1;
CREATE INDEX removed_at ON removed (at_ms);

-- Which rounds recorded which contents: one goes when no round is left that did.
CREATE TABLE blob_use (
    round TEXT NOT NULL,
    hash  TEXT NOT NULL,
    PRIMARY KEY (round, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX blob_use_hash ON blob_use (hash);

INSERT OR IGNORE INTO blob_use (round, hash)
SELECT step.round, found.atom
FROM step, json_tree(CASE WHEN json_valid(step.value) THEN step.value ELSE '[]' END) AS found
WHERE substr(step.key, 1, 6) IN ('write/', 'edits/')
  AND found.type = 'text' AND length(found.atom) = 64
  AND EXISTS (SELECT 1 FROM blob WHERE blob.hash = found.atom);

CREATE INDEX round_ended ON round (ended_ms) WHERE state = 'ended';
CREATE INDEX idempotency_round ON idempotency (session, round);
