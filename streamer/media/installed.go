package media

/*
#cgo pkg-config: gstreamer-1.0
#include <stdlib.h>
#include <gst/gst.h>

// has_property tells whether an installed element has a property, without making one: some open their device for that.
static gboolean has_property(const char *element, const char *property) {
	GstElementFactory *found = gst_element_factory_find(element);
	if (found == NULL) return FALSE;
	GstElementFactory *factory = GST_ELEMENT_FACTORY(gst_plugin_feature_load(GST_PLUGIN_FEATURE(found)));
	gst_object_unref(found);
	if (factory == NULL) return FALSE;
	GObjectClass *class = g_type_class_ref(gst_element_factory_get_element_type(factory));
	gboolean has = g_object_class_find_property(class, property) != NULL;
	g_type_class_unref(class);
	gst_object_unref(factory);
	return has;
}

static gboolean has_plugin(const char *name) {
	GstPlugin *plugin = gst_registry_find_plugin(gst_registry_get(), name);
	if (plugin == NULL) return FALSE;
	gst_object_unref(plugin);
	return TRUE;
}
*/
import "C"

import (
	"unsafe"

	"github.com/go-gst/go-gst/gst"
)

func installed(element string) bool { return gst.Find(element) != nil }

// hasProperty implements encoder.Has.
func hasProperty(element, property string) bool {
	e, p := C.CString(element), C.CString(property)
	defer C.free(unsafe.Pointer(e))
	defer C.free(unsafe.Pointer(p))
	return C.has_property(e, p) != 0
}

func pluginInstalled(name string) bool {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	return C.has_plugin(n) != 0
}

// version is GStreamer's, of the library that is loaded.
func version() string {
	text := C.gst_version_string()
	defer C.g_free(C.gpointer(text))
	return C.GoString(text)
}
