// Package console serves the console's page: plain ES modules, a style sheet and an icon, embedded in the binary, so that
// nothing but Go is needed to build or to run it.
//
// [Handler] answers "/" with the page and "/console/…" with its assets. Everything in the page is addressed relative to the
// page itself, so the gateway may sit behind a path prefix. The page speaks to the gateway through the public contract only:
// REST with an API token, the client's websocket (protocol version 2), and the `control` data channel.
//
// A session's events come as Server-Sent Events, read with fetch since EventSource cannot send the token in a header. Where
// the gateway, or a proxy before it, has no such stream, the page asks for the events every second.
//
// # Address
//
// The page reads the fragment of its address, which browsers never send to a server:
//
//	#token=…   the API token: moved into sessionStorage ("streamstack.token") and taken out of the address bar at once
//	#relay=1   media through TURN only (iceTransportPolicy: relay), to test the way through a NAT
//	#codec=VP8 the codec asked for (settings.video.preferred_decoder_codecs)
//	#microphone=1, #camera=1   the devices that the session may ask for
//
// # Hooks for tests
//
// These names are stable; the end-to-end tests rely on them.
//
//	#applications button[data-start="NAME"]   starts the application NAME
//	#sessions [data-session="ID"]             a session; data-status holds its status
//	  button[data-action="show|join|watch|end"]  in it: show its timeline, join it, watch it, end it
//	#status                                   the status line in words (aria-live); data-state holds the state
//	#video, #audio                            the media elements, each with a stream of its own; #video takes the input
//	#failure                                  shown when the session failed or the stream broke; #failure-message says why
//	#timeline li[data-event][data-actor]      the session's events in order, data-sequence and data-count (candidates are
//	                                          collapsed); #timeline-end says what became of the session
//	#quality [data-figure="fps|delay|rtt|kbps"]
//	                                          the charts under a live picture; data-points and data-samples count what is
//	                                          drawn of the browser's figures and of the streamer's samples
//	#text-input, #lock                        text input (the field is #text), and the mouse locked into the picture
//	#clipboard                                the setting: share the clipboard
//	#handheld                                 the menu of the device that the session takes ours for: #rotate, #latitude,
//	                                          #longitude, #place-send, #place-here; #handheld-note says what came of it
//	#viewers li[data-viewer]                  who watches the open session, shown while somebody does
//	#leave, #end, #fullscreen, #sound         the stage's buttons; #sound is "Enable sound" while the browser blocks it
//	#token-dialog, #token, #token-submit      the question for a token
//	#keep, #relay, #codec                     the settings: keep sessions running, TURN only, codec
//	#microphone, #camera                      the settings: devices that are offered
//	#files                                    the panel of files, shown while the session takes some; button[data-action="list"]
//	                                          shows those of the session, button[data-file="NAME"] fetches one
//	#notice                                   an error of the API, in words, or why a device of the user's cannot be taken
//
// window.streamstack has session (its id or ""), state ("idle", "creating", "waiting", "connecting", "reconnecting", "live",
// "interrupted", "ended", "error"), pc (the RTCPeerConnection or null), control (the data channel or null), files (of module files,
// or null), capabilities (what the streamer announces, such as "touch"), video, audio, and stats(), which resolves to {fps, delay, gap, rtt, framesDecoded,
// framesDropped, frameWidth, frameHeight, bytesReceived, packetsLost, codec, local, remote, audioEnergy, audioSamples, bufferMs}:
// delay, gap, rtt and bufferMs in milliseconds, fps as presented on the screen, delay the median from a frame's last packet to there
// and gap the longest between two of them, both of the last second, local and remote the kinds of the chosen candidate pair
// ("host", "srflx", "prflx", "relay").
package console
