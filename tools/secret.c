#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "crypt.h"
#include "report.h"

void secret_clear(struct secret *s)
{
	crypt_wipe(s, sizeof(*s));
}

/* Byte by byte: whatever follows the line is left alone. It ends with `last`, too, which is kept. ERR_SHORT: the input ended
 * before anything was said. */
static enum err read_line(int fd, int last, struct secret *out)
{
	size_t n = 0;
	char c;
	ssize_t got;

	while ((got = read(fd, &c, 1)) == 1 && c != '\n') {
		if (n == SECRET_BYTES_MAX)
			return ERR_TOO_LARGE;
		out->text[n++] = c;
		if ((unsigned char)c == last)
			break;
	}
	if (n > 0 && out->text[n - 1] == '\r')
		n--;
	out->text[n] = '\0';
	if (got < 0)
		return ERR_IO;
	return n == 0 ? ERR_SHORT : OK;
}

static enum err from_file(const char *path, struct secret *out)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	enum err e;

	if (fd < 0)
		e = errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED;
	else if (fstat(fd, &st) != 0)
		e = ERR_IO;
	else if (S_ISREG(st.st_mode) && (st.st_mode & 077))
		e = ERR_DENIED;
	else
		e = read_line(fd, '\n', out);
	if (e == OK)
		return OK;
	(void)report_fail(e, "take the password from %s", path);
	if (e == ERR_DENIED)
		report_hint("only its owner may have access: chmod 600 %s", path);
	else
		report_hint("it is to hold one line of at most %d bytes", SECRET_BYTES_MAX);
	return e;
}

/* Nothing that is typed by mistake, like an arrow key, becomes part of a password. ERR_CLOSED: they gave up. */
static enum err check_typed(const struct secret *typed, cc_t interrupt)
{
	for (const char *c = typed->text; *c; c++)
		if ((cc_t)*c == interrupt)
			return ERR_CLOSED;
		else if ((unsigned char)*c < ' ' || *c == 0x7F)
			return ERR_SYNTAX;
	return OK;
}

/* Asks without echo, and without signals: an interrupt would leave the terminal mute. Its key ends the line instead. */
static enum err type_in(int tty, const char *prompt, struct secret *out)
{
	struct termios was, quiet;
	enum err e;

	if (tcgetattr(tty, &was) != 0)
		return ERR_IO;
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	quiet.c_cc[VEOL] = was.c_cc[VINTR];
	if (tcsetattr(tty, TCSAFLUSH, &quiet) != 0)
		return ERR_IO;
	e = dprintf(tty, "%s: ", prompt) < 0 ? ERR_IO : read_line(tty, was.c_cc[VINTR], out);
	if (e == OK)
		e = check_typed(out, was.c_cc[VINTR]);
	(void)tcsetattr(tty, TCSAFLUSH, &was);
	(void)!write(tty, "\n", 1);
	return e;
}

static enum err from_terminal(const char *prompt, secret_fits *fits, struct secret *out)
{
	CLEANUP(fd_cleanup) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	CLEANUP(secret_clear) struct secret again = { "" };
	enum err e;

	if (tty < 0) {
		report_error("there is no terminal to ask for the password");
		report_hint("put it into a file of mode 0600; --help says by which option to name that");
		return ERR_NOT_FOUND;
	}
	e = type_in(tty, prompt, out);
	if (e == OK && fits && !fits(out))
		return ERR_RANGE;
	if (e == OK && fits)
		e = type_in(tty, "again", &again);
	if (e == ERR_CLOSED)
		report_error("interrupted; nothing was changed");
	else if (e == ERR_SHORT)
		report_error("no password was typed; nothing was changed");
	else if (e == ERR_SYNTAX)
		report_error("a password has no control characters (an arrow key was pressed, perhaps); nothing was changed");
	else if (e != OK)
		(void)report_fail(e, "read the password");
	else if (fits && strcmp(out->text, again.text) != 0) {
		report_error("the two passwords differ; nothing was changed");
		e = ERR_KEY;
	}
	return e;
}

enum err secret_ask(const char *prompt, secret_fits *fits, struct secret *out)
{
	*out = (struct secret){ "" };
	return from_terminal(prompt, fits, out);
}

enum err secret_get(const char *file, const char *prompt, secret_fits *fits, struct secret *out)
{
	const char *named = getenv("PULLCORD_PASSWORD_FILE");

	*out = (struct secret){ "" };
	if (!file && named && *named)
		file = named;
	if (!file)
		return from_terminal(prompt, fits, out);
	TRY(from_file(file, out));
	return fits && !fits(out) ? ERR_RANGE : OK;
}
