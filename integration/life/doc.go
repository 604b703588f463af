// Package life_test has sessions live through changes of the options, on real servers and under load.
package life_test
