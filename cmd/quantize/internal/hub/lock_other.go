//go:build !unix

package hub

import "context"

// lock locks nothing where the system has no flock: a file that two processes
// write fails its check, and is fetched again.
func (c *Client) lock(context.Context, string) (unlock func(), err error) {
	return func() {}, nil
}
