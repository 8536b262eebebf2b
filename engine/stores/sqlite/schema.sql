-- The ledger, schema 1.
-- Times are integer microseconds since 1970, UTC. Bodies are UTF-8 JSON bytes, which keep NaN, NUL and key order.
-- Pages of flows are answered from the indexes of "workflow" alone; the columns after the sort key in some of them
-- (row_id, type, state) let a filter pass over rows without reading them.

CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

-- What lists, sorts, filters and the supervisor ask for; the rest of a workflow is in workflow_body and step.
CREATE TABLE workflow (
  row_id INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  line_version INTEGER NOT NULL,
  state TEXT NOT NULL,
  phase TEXT NOT NULL,
  origin TEXT NOT NULL,
  flag TEXT NOT NULL,
  revision INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  entered_at INTEGER NOT NULL,
  deadline_at INTEGER,
  ended_at INTEGER,
  paused_at INTEGER,
  attempt INTEGER NOT NULL,
  caller_timeouts INTEGER NOT NULL,
  is_forced INTEGER NOT NULL,
  error_type TEXT,
  error TEXT,
  fingerprint TEXT,
  owed_revision INTEGER NOT NULL,  -- the newest revision that the document on disk has to carry
  entry_no INTEGER NOT NULL,       -- the newest entry of its chain, and that entry's hash
  head_hash TEXT NOT NULL,
  position INTEGER NOT NULL,       -- of the newest notice about it
  search_text TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX workflow_id ON workflow (id);
CREATE INDEX workflow_created ON workflow (created_at, row_id, type);
CREATE INDEX workflow_updated ON workflow (updated_at);
CREATE INDEX workflow_phase ON workflow (phase, entered_at, row_id, type, state);
CREATE INDEX workflow_deadline ON workflow (deadline_at, row_id, type, state)
  WHERE phase = 'open' AND deadline_at IS NOT NULL AND paused_at IS NULL;
CREATE INDEX workflow_untimed ON workflow (entered_at, row_id, type, state)
  WHERE phase = 'open' AND (deadline_at IS NULL OR paused_at IS NOT NULL);
CREATE INDEX workflow_error ON workflow (error_type) WHERE error_type IS NOT NULL;
CREATE INDEX workflow_flag ON workflow (flag) WHERE flag <> '';

CREATE TABLE workflow_body (row_id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;

-- An output is stored here, once; result slots in workflow_body point to it.
CREATE TABLE step (
  workflow_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  state TEXT NOT NULL,
  generation INTEGER NOT NULL,
  is_superseded INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (workflow_id, n)
) STRICT, WITHOUT ROWID;

-- One chain a workflow; workflow_id '' is the chain of what concerns no workflow.
CREATE TABLE entry (
  workflow_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT,
  revision INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  from_state TEXT,
  to_state TEXT,
  request_id TEXT,
  payload_hash TEXT,               -- only what "commit" wrote has one
  outcome TEXT NOT NULL,
  is_history INTEGER NOT NULL,
  is_audit INTEGER NOT NULL,
  hash TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (workflow_id, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX entry_request ON entry (workflow_id, request_id) WHERE payload_hash IS NOT NULL;
CREATE INDEX entry_audit ON entry (at) WHERE is_audit;
CREATE INDEX entry_act ON entry (at)
  WHERE is_audit AND kind NOT IN ('lock.acquired', 'lock.released', 'lock.expired');

-- Only the oldest pending event of a workflow has a next_attempt_at; the others wait behind it.
CREATE TABLE event (
  row_id INTEGER PRIMARY KEY,
  workflow_id TEXT NOT NULL,
  entry_n INTEGER NOT NULL,
  n INTEGER NOT NULL,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  incarnation TEXT NOT NULL,       -- whose bus it is owed to; '' is anyone's
  attempts INTEGER NOT NULL,
  next_attempt_at INTEGER,
  claimed_by TEXT NOT NULL,
  claimed_until INTEGER NOT NULL,
  error_type TEXT,
  error TEXT,
  cause TEXT,
  replay_of TEXT,
  replays INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_id ON event (workflow_id, entry_n, n);
CREATE INDEX event_pending ON event (workflow_id, entry_n, n) WHERE status = 'pending';
CREATE INDEX event_due ON event (next_attempt_at) WHERE status = 'pending' AND next_attempt_at IS NOT NULL;
CREATE INDEX event_failing ON event (workflow_id) WHERE status = 'pending' AND attempts > 0;
CREATE INDEX event_dead ON event (status) WHERE status IN ('dead', 'purged');

-- A release empties the row (owner '') and keeps its fence.
CREATE TABLE lock (
  workflow_id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  fence INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  acquired_at INTEGER NOT NULL,
  ttl_s REAL NOT NULL,
  expires_at INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  expires_mono REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX lock_held ON lock (expires_at, workflow_id) WHERE owner <> '';

CREATE TABLE engine (
  incarnation TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  host TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  pid INTEGER NOT NULL,
  process_start TEXT NOT NULL,
  has_bus INTEGER NOT NULL,
  log_dir TEXT,
  heartbeat_at INTEGER NOT NULL,
  ended_at INTEGER,
  facts BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
  name TEXT PRIMARY KEY,
  incarnation TEXT NOT NULL,       -- '' once given up
  fence INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE document (
  name TEXT PRIMARY KEY,
  workflow_id TEXT NOT NULL,
  published_revision INTEGER NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  problem TEXT NOT NULL,
  looked_at INTEGER NOT NULL,
  foreign_body BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX document_problem ON document (name) WHERE problem <> '' AND workflow_id = '';

-- What changed, for the feed; pruned from its old end, so that a reader too far behind starts anew.
CREATE TABLE notice (position INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL) STRICT;
