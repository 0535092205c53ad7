/* lean: gives back to the kernel what only a start, or a handshake, needed.
 *
 * A page of a file that was mapped once stays resident, and the kernel maps those around it along: of OpenSSL alone 3.5 MB, of
 * which steady work touches a third. A dropped page comes back from the page cache when it is wanted, with those around it. Only
 * what can never have been written is dropped: loaded segments without write permission, of modules whose code was not relocated.
 * And of the heap what is free in whole pages. Any thread, any time; a fraction of a millisecond, and some more after it. */
#ifndef PULLCORD_LEAN_H
#define PULLCORD_LEAN_H

void lean_down(void);

#endif
