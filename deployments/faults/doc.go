// Package faults holds the tests of what an agent promises: whatever breaks, each session has one ending with its own reason,
// nothing keeps running that nobody owns, and no slot is lost.
//
// TestFaults is a table: for each fault the event that tells of it, the session's status, how long it took to be noticed,
// and what was left running (nothing). Run it with -v to see the table. TestManySessions has sessions launched and ended by
// four agents, two of which are killed on the way, and checks the log with the rules of `streamstack verify`.
//
// Agents are processes of their own (the test binary), so that they can be killed. They use the real drivers; an instance has
// a real X server, sound server and streamer, whose clients never come, so that many fit on a small machine. `task test` runs
// forty sessions, `task soak` two hundred:
//
//	go test ./deployments/faults -run TestManySessions -sessions 200 -v
package faults
