package datasocket

import (
	"context"
	"net"
)

// Listen makes another socket of the instance, beside those of the channels and with the same permissions: it lets the folder's owner and
// its group connect, and takes the place of one that a process that is gone has left there. remove takes it away again.
func Listen(ctx context.Context, folder, name string) (l *net.UnixListener, remove func(), err error) {
	return listen(ctx, folder, name)
}
