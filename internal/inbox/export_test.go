package inbox

// Tables are those of an inbox in PostgreSQL, but leadership.
const Tables = tables
