// curl's variadic and macro calls, as functions that Swift can import.
#ifndef CCURL_H
#define CCURL_H

#include <curl/curl.h>

#endif
