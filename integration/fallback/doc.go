// Package fallback kills, stops, empties and sets back real Redis and MariaDB servers under an application of several nodes whose
// visitors count on it, and shows what each of them got to see.
package fallback
