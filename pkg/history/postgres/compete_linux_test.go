package postgres_test

// competeFor names, in its environment, what the other processes compete for.
const competeFor = "GATEKEEPER_TEST_COMPETE_FOR"

func compete(string) error { return nil }
