package bypass

import "slices"

// attacks are all of them, in the order of the catalogue.
func attacks() []Attack {
	return slices.Concat(resultAttacks(), operationAttacks(), specAttacks(), creationAttacks(), outsideAttacks())
}
