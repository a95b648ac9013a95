package peer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// bulk has the page send messages of 64 and 256 KiB, which are the largest of old and new browsers, and one that is larger, and look
// at what comes back.
const bulk = `async () => {
  const channel = pc.createDataChannel('bulk');
  channel.binaryType = 'arraybuffer';
  await new Promise((resolve) => { channel.onopen = resolve; });
  const sizes = [1, 65535, 65536, 65537, 262144];
  for (let i = 0; i < 60; i++) sizes.push(65536);
  const total = sizes.reduce((a, b) => a + b, 0);
  const sent = new Uint8Array(total);
  for (let i = 0; i < total; i += 65536) crypto.getRandomValues(sent.subarray(i, Math.min(i + 65536, total)));
  const got = new Uint8Array(total);
  let n = 0, refused = '';
  const whole = new Promise((resolve, reject) => {
    channel.onmessage = ({data}) => {
      got.set(new Uint8Array(data), n);
      if ((n += data.byteLength) >= total) resolve();
    };
    channel.onclose = () => reject(new Error('closed at ' + n + ' of ' + total));
  });
  try { channel.send(new Uint8Array(262145)); } catch (e) { refused = e.name; }
  let at = 0;
  for (const size of sizes) {
    channel.send(sent.subarray(at, at += size));
    while (channel.bufferedAmount > 1 << 20) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await whole;
  return {total, refused, max: pc.sctp.maxMessageSize, same: got.every((b, i) => b === sent[i])};
}`

// What Chromium takes for one message arrives whole, and comes back: it knows the limit from our description.
func TestChromiumBulk(t *testing.T) {
	t.Parallel()
	b, _, _ := connectBrowser(t, func(cfg *Config) {
		cfg.Settings.DataChannels = []string{"bulk"}
		ctx := t.Context()
		cfg.Handlers.Channel = func(c *Channel) {
			go func() { // an echo; ends with the channel
				for {
					data, _, err := c.Receive()
					if err != nil {
						return
					}
					for len(data) > 0 {
						n := min(len(data), 16<<10)
						if c.Send(ctx, data[:n], false) != nil {
							return
						}
						data = data[n:]
					}
				}
			}()
		}
	})
	got := call[struct {
		Total, Max int
		Refused    string
		Same       bool
	}](t, b, "("+bulk+")")
	require.True(t, got.Same, "%+v", got)
	require.Equal(t, maxReceived, got.Max)
	require.NotEmpty(t, got.Refused, "a message above the limit is refused by the browser itself")
	t.Logf("%d bytes there and back", got.Total)
}
