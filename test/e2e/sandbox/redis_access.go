package sandbox

// RedisAddr returns host and port of Argo CD's Redis, which asks for no password: it
// is what anybody has who gets past the network policy of a real installation.
func (s *Sandbox) RedisAddr() string { return s.redis.addr() }
