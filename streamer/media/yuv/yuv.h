#include <glib.h>

// yuv_register makes the converter known to GStreamer, which must have been started, under a name.
gboolean yuv_register(const char *name);
