package mirror

import "bytes"

// Message is the message of a commit object.
func Message(data []byte) []byte {
	_, message, _ := bytes.Cut(data, []byte("\n\n"))
	return message
}
