package history

// Reseal computes the digest over the entry's very bytes.
func Reseal(e Entry) Entry {
	e.Digest = e.seal()
	return e
}
