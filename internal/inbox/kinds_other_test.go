//go:build !linux

package inbox_test

func kinds() []kind { return []kind{inFile()} }
