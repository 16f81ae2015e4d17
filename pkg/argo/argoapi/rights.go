package argoapi

import (
	"context"
	"fmt"

	"github.com/argoproj/argo-cd/v2/pkg/apiclient/account"
	"github.com/argoproj/argo-cd/v2/pkg/apiclient/version"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Version is that of the server, for example "v2.14.21+abc1234".
func (a *API) Version(ctx context.Context) (string, error) {
	var answer *version.VersionMessage
	err := a.call(ctx, func(ctx context.Context) (err error) {
		answer, err = version.NewVersionServiceClient(a.connection).Version(ctx, &emptypb.Empty{})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ask Argo CD for its version: %w", err)
	}
	return answer.GetVersion(), nil
}

// Can says whether the token's account may do an action on an object, as Argo CD's
// own "account can-i" does. Objects of Applications are "project/name".
func (a *API) Can(ctx context.Context, resource, action, object string) (bool, error) {
	var answer *account.CanIResponse
	err := a.call(ctx, func(ctx context.Context) (err error) {
		answer, err = account.NewAccountServiceClient(a.connection).CanI(ctx,
			&account.CanIRequest{Resource: resource, Action: action, Subresource: object})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ask Argo CD whether the token may %s %s: %w", action, resource, err)
	}
	return answer.GetValue() != "no", nil
}
