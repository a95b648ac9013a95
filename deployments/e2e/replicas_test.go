package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// TestConsoleResumes: the gateway that holds the console's socket is killed in the middle of signalling; the page says
// so, goes on through the other one with the same token, and shows the picture. In the log it is one session, one client
// and one ending.
func TestConsoleResumes(t *testing.T) {
	r := stack.StartReplicas(t, stack.DataDir(t), 2, stack.Apart{})
	r.StartAgent()
	v := open(t, r.Stack, "")
	for seen, point := range []string{"before any answer", "after resp:discover", "after the offer"} {
		t.Run(point, func(t *testing.T) { checkResumes(t, r, v, seen%2, seen) })
	}
}

// checkResumes starts an application and kills the gateway that holds its socket once the page has seen some messages.
func checkResumes(t *testing.T, r *stack.Replicas, v viewer, holder, seen int) {
	t.Helper()
	v.T = t
	v.Navigate("about:blank")
	v.Navigate(r.Console(""))
	v.Wait(`document.querySelector('#applications [data-start=testcard]')`, "the application in the list")
	v.Exec(`window.states = []; new MutationObserver(() => states.push(document.querySelector('#status').dataset.state))
		.observe(document.querySelector('#status'), {attributes: true})`)
	r.Balancer.Prefer(holder)
	held := r.Balancer.Hold(seen)
	v.Click(`#applications [data-start=testcard]`)
	var id events.SessionID
	select {
	case session := <-held:
		id = events.SessionID(session)
	case <-time.After(liveTime):
		t.Fatal("the gateway sent nothing")
	}
	at, ok := r.Balancer.Holder(string(id))
	require.True(t, ok)
	require.Equal(t, holder, at, "the socket is at the preferred gateway")
	r.Kill(holder)
	v.live()
	v.Wait(`states.includes('reconnecting')`, "the loss in the page's state")
	require.Equal(t, id, v.session())
	checkPicture(t, v)
	r.Revive(holder)
	v.Click(`#end`)
	r.Await(id, events.Agent, events.Terminated)

	h := r.History(id)
	named := map[events.Name]int{}
	var attached []events.AttachedData
	for _, e := range h {
		named[e.Name]++
		if e.Is(events.Client, events.Attached) {
			var d events.AttachedData
			require.NoError(t, e.Decode(&d))
			attached = append(attached, d)
		}
	}
	require.Len(t, attached, 2, "two sockets")
	require.Equal(t, attached[0].Peer, attached[1].Peer, "of one client")
	require.NotNil(t, attached[1].Resumed, "the second resumes")
	if seen > 0 {
		require.Positive(t, *attached[1].Resumed, "after what the page had")
	}
	for _, once := range []events.Name{events.Created, events.Joined, events.Claimed, events.Launched, events.Ready, events.Offer, events.Connected} {
		require.Equal(t, 1, named[once], once)
	}
	require.Equal(t, 1, endings(h), "exactly one ending")
}
