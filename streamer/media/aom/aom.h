#include <glib.h>

// aom_register makes the encoder known to GStreamer, which must have been started, under a name.
gboolean aom_register(const char *name);
