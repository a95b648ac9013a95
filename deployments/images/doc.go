// Package images holds what the instances' image of the docker driver is made with: build.sh runs the two Containerfiles, or makes
// the base without a registry, from a Debian mirror or from the packages that are installed here. There is no Go code but the
// tests; that the image works is shown where it is used (agent/driver/docker, deployments/e2e).
package images
