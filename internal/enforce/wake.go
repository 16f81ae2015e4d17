package enforce

// Wake has the objects compared at once with what Render says now.
func (e *Enforcer) Wake() { e.changed() }
