/* pullcord: the operator's tool. Nothing is decided here: one table of commands. */
#include <locale.h>
#include <signal.h>

#include "cmd.h"
#include "crypt.h"
#include "opt.h"
#include "report.h"

static const struct opt_verb commands[] = {
#define CMD(name, text) { #name, cmd_##name, text },
#include "cmd.def"
#undef CMD
};

int main(int argc, char **argv)
{
	enum err e = crypt_init();

	setlocale(LC_TIME, "");
	signal(SIGPIPE, SIG_IGN);   /* a broker that goes away is an error code, not the end */
	if (e != OK)
		return report_fail(e, "use the crypto library (is OpenSSL 3 installed with its default provider?)");
	return opt_verb("", "One tool for operators of Pullcord.", commands, countof(commands), argc, argv);
}
