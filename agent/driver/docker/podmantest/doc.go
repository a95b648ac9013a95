// Package podmantest runs a real container engine for tests: Debian's Podman, with runc, with its storage, its socket and all
// else in a folder of the test's own, so that nothing of the machine's is touched.
//
// The image is made by the script that people use (deployments/images/build.sh), of packages that are installed on this
// machine: there is no registry. Its base takes half a minute, and is kept in the user's cache folder by what it is made of.
package podmantest
