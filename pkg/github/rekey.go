package github

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// ErrKey says that GitHub does not know a private key as one of the App's.
var ErrKey = errors.New("GitHub does not know this private key as one of the App's")

// Rekey takes over another private key: the next JWT is signed with it, and so is the
// request for the next token of every installation. Tokens that were given out before stay
// valid until they expire, so no request that is under way fails.
//
// GitHub is asked first whether it knows the key. If it says no, the error is ErrKey and
// the key before stays; if it does not answer, the key is taken over.
func (a *App) Rekey(ctx context.Context, privateKeyPEM []byte) error {
	key, err := parseKey(privateKeyPEM)
	if err != nil {
		return err
	}
	if key.Equal(a.key.Load()) {
		return nil
	}
	api := a.newAPI(a.signed(a.wire, func() *rsa.PrivateKey { return key }))
	_, _, err = api.Apps.Get(ctx, "")
	if e, ok := errors.AsType[*Error](Wrap("ask whose key it is", "", err)); ok && e.Status == http.StatusUnauthorized {
		return fmt.Errorf("take over a private key: %w", ErrKey)
	}
	if err != nil {
		a.options.Logger.LogAttrs(ctx, slog.LevelWarn, "github.key_not_verified", slog.Any("error", Wrap("ask whose key it is", "", err)))
	}
	a.key.Store(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, in := range a.owners {
		if src := in.found.Load(); src != nil {
			fresh := a.newSource(src.id)
			fresh.lacking = src.lacking
			in.found.CompareAndSwap(src, fresh)
		}
	}
	a.options.Logger.LogAttrs(ctx, slog.LevelInfo, "github.key_replaced")
	return nil
}
