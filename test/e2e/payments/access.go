package payments

// permissions are what the App is given.
func (w *World) permissions() map[string]string {
	contents := "read"
	if w.options.Reverts {
		contents = "write"
	}
	return map[string]string{
		"contents": contents, "pull_requests": "write", "issues": "read", "checks": "write", "deployments": "write", "members": "read", "merge_queues": "read",
	}
}

// Suspend suspends the App's installation on the organisation, or wakes it up.
func (w *World) Suspend(suspend bool) error {
	return w.GitHub.SuspendInstallation(w.installation, suspend)
}

// Without takes permissions away from the App and leaves it all others. Without a
// name it has all of them again.
func (w *World) Without(names ...string) error {
	left := w.permissions()
	for _, name := range names {
		delete(left, name)
	}
	return w.GitHub.SetPermissions(w.app.ID, left)
}
