package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

// version1 is a client that offers, as signalling.md, section 4, has it, in the default layout of the SDK and with a channel of the
// page's own. It stands where the console's hooks for tests are.
const version1 = `((url, servers) => {
	const video = Object.assign(document.createElement('video'), {muted: true, playsInline: true, autoplay: true});
	document.body.append(video);
	const pc = new RTCPeerConnection({iceServers: servers.map(({urls, username, password}) => ({urls, username, credential: password}))});
	const control = pc.createDataChannel('control'), chat = pc.createDataChannel('chat');
	const page = window.streamstack = {video, pc, control, chat, state: 'waiting', closed: false, said: [], heard: [], stats: async () => {
		const all = [...(await pc.getStats()).values()];
		const {framesDecoded = 0, frameWidth = 0, frameHeight = 0} = all.find((s) => s.type === 'inbound-rtp' && s.kind === 'video') ?? {};
		return {framesDecoded, frameWidth, frameHeight};
	}};
	chat.onmessage = ({data}) => page.heard.push(data);
	const socket = new WebSocket(url);
	const send = (message) => { page.said.push(message.type); socket.send(JSON.stringify(message)); };
	let described = false;
	const early = [];
	pc.ontrack = ({track, streams}) => { if (track.kind === 'video') { video.srcObject = streams[0]; video.requestVideoFrameCallback(() => { page.state = 'live'; }); } };
	pc.onicecandidate = ({candidate: c}) => { if (c?.candidate && !page.closed) send({type: 'candidate', candidate: btoa(c.candidate), sdpMid: c.sdpMid, sdpMLineIndex: c.sdpMLineIndex}); };
	pc.oniceconnectionstatechange = () => { if (pc.iceConnectionState === 'connected') { page.closed = true; socket.close(); } };
	socket.onopen = () => send({type: 'discover'});
	socket.onmessage = async ({data}) => {
		const m = JSON.parse(data);
		if (m.type === 'resp:discover') {
			if (m.max_api_version < 1) page.state = 'error';
			send({type: 'settings', api_version: 1});
			pc.addTransceiver('audio', {direction: 'recvonly'});
			pc.addTransceiver('video', {direction: 'recvonly'});
			const offer = await pc.createOffer();
			send({type: 'offer', sdp: btoa(offer.sdp), dataChannels: ['chat']});
			await pc.setLocalDescription(offer);
		}
		if (m.type === 'answer') {
			await pc.setRemoteDescription({type: 'answer', sdp: atob(m.sdp)});
			described = true;
			for (const c of early) await pc.addIceCandidate(c);
		}
		if (m.type === 'candidate') {
			const c = {candidate: atob(m.candidate), sdpMid: m.sdpMid, sdpMLineIndex: m.sdpMLineIndex};
			if (described) await pc.addIceCandidate(c);
			else early.push(c);
		}
		if (m.type === 'error') page.state = m.message;
	};
})(%q, %s)`

// checkVersion1: a browser whose page speaks version 1 gets the picture, its input and its own channel work.
func checkVersion1(t *testing.T, v viewer) {
	t.Helper()
	v.again("")
	v.Wait(`document.querySelector('#applications [data-start=testcard]')`, "the page, which the client stands in for")
	g := v.s.Create(client.CreateRequest{App: "testcard"})
	servers, err := json.Marshal(g.STUN)
	require.NoError(t, err)
	v.Exec(fmt.Sprintf(version1, g.URL, servers))
	v.live()
	checkPicture(t, v)
	v.Exec(`for (const pressed of [true, false]) streamstack.control.send(JSON.stringify({type: 'input::key', data: {code: 20, pressed}}))`)
	v.colourAt(v.card().KeyPatch, typed, "the key patch after Q")

	// The page's own channel is a socket in the instance.
	var program net.Conn
	stack.Eventually(t, liveTime, func() string {
		if program, err = net.Dial("unix", filepath.Join(runtimeOf(t, v.s, g.ID), "anbox", "sockets", "webrtc_data_chat")); err != nil {
			return err.Error()
		}
		return ""
	})
	defer func() { _ = program.Close() }() // the session ends it
	_, err = program.Write([]byte("from the instance"))
	require.NoError(t, err)
	v.Wait(`streamstack.heard.join('') === 'from the instance'`, "what a program says")
	v.Exec(`streamstack.chat.send(new Uint8Array([0, 255, 10, 195]))`)
	got := make([]byte, 4)
	require.NoError(t, program.SetReadDeadline(time.Now().Add(liveTime)))
	_, err = io.ReadFull(program, got)
	require.NoError(t, err)
	require.Equal(t, []byte{0, 255, 10, 195}, got, "what the page says")
	var settings events.SettingsData
	require.NoError(t, v.s.Await(g.ID, events.Client, events.Settings).Decode(&settings))
	require.JSONEq(t, `{"type":"settings","api_version":1}`, string(settings.Settings))
	v.s.Await(g.ID, events.Client, events.Offer)
	v.s.Await(g.ID, events.Streamer, events.Answer)
	v.Exec(`streamstack.control.send('{"type":"stream::disconnect","data":{}}')`)
	var gone events.DisconnectedData
	require.NoError(t, v.s.Await(g.ID, events.Streamer, events.Disconnected).Decode(&gone))
	require.Equal(t, events.ReasonLeft, gone.Reason)
}
