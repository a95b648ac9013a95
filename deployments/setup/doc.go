// Package setup holds the scripts behind the Taskfile: packages.sh installs the system packages that run.txt and test.txt
// list, build.sh builds, test.sh runs every check and test, fuzz.sh the fuzz targets. There is no Go code but the tests.
package setup
