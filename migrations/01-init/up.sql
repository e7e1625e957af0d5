-- Sessions, rounds and what happened in them. JSON columns carry a version beside them.

CREATE TABLE session (
    id           TEXT PRIMARY KEY,
    created_ms   INTEGER NOT NULL,
    updated_ms   INTEGER NOT NULL,
    work_dir     TEXT,
    spec         TEXT NOT NULL,
    spec_version INTEGER NOT NULL
) STRICT;

CREATE TABLE round (
    session      TEXT NOT NULL REFERENCES session (id),
    round        INTEGER NOT NULL,
    id           TEXT NOT NULL UNIQUE,
    state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'ended')),
    task         TEXT NOT NULL,
    spec         TEXT NOT NULL,
    spec_version INTEGER NOT NULL,
    log_dir      TEXT,
    queued_ms    INTEGER NOT NULL,
    started_ms   INTEGER,
    ended_ms     INTEGER,
    -- Time at work, without the time in which the daemon was down.
    active_ms    INTEGER NOT NULL DEFAULT 0,
    -- Whether somebody asked for its end.
    cancelled    INTEGER NOT NULL DEFAULT 0,
    -- Unclean stops in a row without a step in between, and the number of steps at the last one.
    unclean      INTEGER NOT NULL DEFAULT 0,
    steps_seen   INTEGER NOT NULL DEFAULT -1,
    outcome      TEXT,
    report       TEXT,
    PRIMARY KEY (session, round)
) STRICT;

CREATE INDEX round_open ON round (state) WHERE state <> 'ended';

CREATE TABLE event (
    session TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    round   INTEGER NOT NULL,
    -- What makes the event the same one when the round is resumed.
    key     TEXT NOT NULL,
    json    TEXT NOT NULL,
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX event_key ON event (session, round, key);

CREATE TABLE step (
    round        TEXT NOT NULL,
    key          TEXT NOT NULL,
    -- Position among the steps of its round.
    position     INTEGER NOT NULL,
    request_hash TEXT,
    value        TEXT NOT NULL,
    version      INTEGER NOT NULL,
    at_ms        INTEGER NOT NULL,
    PRIMARY KEY (round, key)
) STRICT, WITHOUT ROWID;

-- Model calls that were sent; one without a step of the same key was in flight when the daemon died.
CREATE TABLE call (
    round TEXT NOT NULL,
    key   TEXT NOT NULL,
    sent  INTEGER NOT NULL,
    PRIMARY KEY (round, key)
) STRICT, WITHOUT ROWID;

-- Contents of files before and after each write, by SHA-256.
CREATE TABLE blob (
    hash  TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE child (
    pid        INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    -- What all processes that came of it carry in their environment.
    mark       TEXT NOT NULL,
    PRIMARY KEY (pid, start_time)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    key     TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    round   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE mark (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
