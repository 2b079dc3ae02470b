#include <unistd.h>

#include <cstdarg>
#include <cstdio>

#include "tensorflow/lite/micro/micro_log.h"

void MicroPrintf(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vdprintf(STDERR_FILENO, format, arguments);  // unbuffered, as the wheel's own log
  va_end(arguments);
  dprintf(STDERR_FILENO, "\n");
}
