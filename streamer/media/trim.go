package media

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
#else
static void trim(void) {} // musl's allocator gives memory back by itself
#endif
*/
import "C"

// trim gives the system what a pipeline has freed. glibc keeps it otherwise, in an arena for each of the threads that GStreamer had, and a
// streamer whose clients come with screens of all sizes would grow by every one of them (seen: 40 MiB in 35 joins). It takes some
// milliseconds, of a goroutine that nobody waits for a picture from.
func trim() { C.trim() }
