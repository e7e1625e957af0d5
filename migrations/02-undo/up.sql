-- Rounds that somebody took back: when that was begun, and when all files were as before the round.

ALTER TABLE round ADD COLUMN undo_ms INTEGER;
ALTER TABLE round ADD COLUMN undone_ms INTEGER;
