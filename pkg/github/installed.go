package github

import "context"

// Installation is the number of the installation whose tokens the client uses.
func (c *Client) Installation(ctx context.Context) (int64, error) {
	src, err := c.transport.in.current(ctx, c.transport.find)
	if err != nil {
		return 0, Wrap("find the App's installation", c.repository, err)
	}
	return src.id, nil
}
