// Package files carries files between a page and its session, over one data channel of the page: dropped ones into an inbox folder
// of the instance, and out of an outbox folder what the application leaves there for its user. It is beyond the original's contract.
//
// # Protocol
//
// The page names the channel [Channel] among its settings' data_channels. Text messages are JSON objects with a type, binary ones
// a file's bytes in order; id is the page's number for a transfer.
//
//	page     {"type":"put","id":1,"name":"a.txt","size":3}    wants to send a file
//	streamer {"type":"go","id":1}                              it may
//	page     binary…                                           size bytes, in messages of any size
//	streamer {"type":"progress","id":1,"bytes":2}              written so far, now and then
//	streamer {"type":"done","id":1,"name":"a.txt","bytes":3,"sha256":"…"}   it is there, by this name
//	page     {"type":"list"}
//	streamer {"type":"list","files":[{"name":"b","size":9,"modified":1700000000}]}
//	page     {"type":"get","id":2,"name":"b"}
//	streamer {"type":"file","id":2,"name":"b","size":9}, binary…, {"type":"done","id":2,"name":"b","bytes":9,"sha256":"…"}
//	page     {"type":"cancel","id":2}
//	streamer {"type":"error","id":2,"code":"cancelled","message":"…"}       the end of any transfer that fails
//
// One file at a time goes each way. Both ways have the channel's back-pressure: what the disk or the network does not take waits
// at its source.
//
// # What is safe
//
// Names are reduced to one plain component, never replace a file, and never lead out of the folders (os.Root); a file appears under
// its name only when it is whole. Only regular files are sent. Sizes, free space and the rate of requests are bounded.
package files
