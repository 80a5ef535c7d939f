#include "header.h"

#include <cstring>
#include <string>

#include "../fs/stat.h"

namespace ibt {
namespace {

// The fields of a ustar header. Source: POSIX.1-2017 pax, "ustar Interchange Format".
struct Field {
  size_t at;
  size_t length;
};
constexpr Field NAME{0, 100}, MODE{100, 8}, UID{108, 8}, GID{116, 8}, SIZE{124, 12}, MTIME{136, 12}, CHECKSUM{148, 8},
    TYPE{156, 1}, LINKNAME{157, 100}, MAGIC{257, 8}, UNAME{265, 31}, GNAME{297, 31}, DEV_MAJOR{329, 8},
    DEV_MINOR{337, 8};
constexpr std::string_view MAGIC_AND_VERSION("ustar\00000", 8);
constexpr std::string_view EXTENSION_NAME("././@PaxHeader");

constexpr uint32_t ID_MAX = 07777777;
constexpr int64_t NS_PER_SECOND = 1000000000;
// Seconds of ten digits, which a ustar header can hold.
constexpr int64_t SECONDS_MIN = 1000000000;
constexpr int64_t SECONDS_MAX = 077777777777;
constexpr std::string_view TIME_RECORD("30 mtime=");
constexpr size_t TIME_RECORD_BYTES = 30;
constexpr size_t EXTENSION_BYTES = 2 * TAR_BLOCK_BYTES;

bool fits(std::string_view text, size_t max) {
  bool is_ascii = true;
  for (const char character : text) is_ascii &= static_cast<uint8_t>(character) < 0x80;
  return is_ascii && text.size() <= max;
}

void write_octal(uint8_t* block, Field field, uint64_t value) {
  for (size_t i = field.length - 1; i-- > 0; value /= 8) block[field.at + i] = static_cast<uint8_t>('0' + value % 8);
  block[field.at + field.length - 1] = 0;
}

void write_decimal(uint8_t* out, size_t digits, uint64_t value) {
  while (digits-- > 0) {
    out[digits] = static_cast<uint8_t>('0' + value % 10);
    value /= 10;
  }
}

void write_text(uint8_t* block, Field field, std::string_view text) {
  if (!text.empty()) std::memcpy(block + field.at, text.data(), text.size());
}

void write_common(uint8_t* block, char type, size_t size) {
  std::memset(block, 0, TAR_BLOCK_BYTES);
  write_text(block, MAGIC, MAGIC_AND_VERSION);
  write_octal(block, DEV_MAJOR, 0);
  write_octal(block, DEV_MINOR, 0);
  write_octal(block, SIZE, size);
  block[TYPE.at] = static_cast<uint8_t>(type);
}

void write_checksum(uint8_t* block) {
  std::memset(block + CHECKSUM.at, ' ', CHECKSUM.length);
  uint32_t sum = 0;
  for (size_t i = 0; i < TAR_BLOCK_BYTES; i++) sum += block[i];
  write_octal(block, {CHECKSUM.at, CHECKSUM.length - 1}, sum);
}

void write_time_extension(uint8_t* out, int64_t mtime_ns) {
  write_common(out, 'x', TIME_RECORD_BYTES);
  write_text(out, NAME, EXTENSION_NAME);
  write_octal(out, MODE, 0644);
  write_octal(out, UID, 0);
  write_octal(out, GID, 0);
  write_octal(out, MTIME, 0);
  write_checksum(out);
  uint8_t* const record = out + TAR_BLOCK_BYTES;
  std::memset(record, 0, TAR_BLOCK_BYTES);
  std::memcpy(record, TIME_RECORD.data(), TIME_RECORD.size());
  write_decimal(record + 9, 10, static_cast<uint64_t>(mtime_ns / NS_PER_SECOND));
  record[19] = '.';
  write_decimal(record + 20, 9, static_cast<uint64_t>(mtime_ns % NS_PER_SECOND));
  record[29] = '\n';
}

}  // namespace

size_t tar_header_bytes(const ListedDirectory& directory, size_t entry, const StatColumns& stats, size_t index,
                        OwnerNames& owners) {
  const bool is_directory = stats.types[index] == TYPE_DIRECTORY;
  const std::string_view name = directory.names[entry];
  const size_t prefix = directory.path.empty() ? 0 : directory.path.size() + 1;
  const size_t name_max = NAME.length - (is_directory ? 1 : 0);
  if (prefix + name.size() > name_max || !fits(directory.path, name_max) || !fits(name, name_max)) return 0;
  if (stats.types[index] == TYPE_SYMLINK && !fits(directory.linknames[entry], LINKNAME.length)) return 0;
  const OwnerNames::Names& owner = owners.find(stats.uids[index], stats.gids[index]);
  if (!fits(owner.user.value_or(""), UNAME.length) || !fits(owner.group.value_or(""), GNAME.length)) return 0;
  if (stats.uids[index] > ID_MAX || stats.gids[index] > ID_MAX) return 0;
  const int64_t mtime_ns = stats.mtimes_ns[index];
  const int64_t seconds = mtime_ns / NS_PER_SECOND;
  if (mtime_ns < 0 || seconds > SECONDS_MAX) return 0;
  if (mtime_ns % NS_PER_SECOND == 0) return TAR_BLOCK_BYTES;
  return seconds < SECONDS_MIN ? 0 : EXTENSION_BYTES + TAR_BLOCK_BYTES;
}

void write_tar_header(uint8_t* out, const ListedDirectory& directory, size_t entry, const StatColumns& stats,
                      size_t index, OwnerNames& owners) {
  const uint8_t type = stats.types[index];
  const int64_t mtime_ns = stats.mtimes_ns[index];
  if (mtime_ns % NS_PER_SECOND != 0) {
    write_time_extension(out, mtime_ns);
    out += EXTENSION_BYTES;
  }
  const char flag = type == TYPE_FILE ? '0' : type == TYPE_DIRECTORY ? '5' : '2';
  write_common(out, flag, type == TYPE_FILE ? static_cast<size_t>(stats.sizes[index]) : 0);
  size_t name_at = 0;
  const auto add_name = [&](std::string_view part) {
    write_text(out, {name_at, 0}, part);
    name_at += part.size();
  };
  if (!directory.path.empty()) {
    add_name(directory.path);
    add_name("/");
  }
  add_name(directory.names[entry]);
  if (type == TYPE_DIRECTORY) add_name("/");
  if (type == TYPE_SYMLINK) write_text(out, LINKNAME, directory.linknames[entry]);
  const OwnerNames::Names& owner = owners.find(stats.uids[index], stats.gids[index]);
  write_text(out, UNAME, owner.user.value_or(""));
  write_text(out, GNAME, owner.group.value_or(""));
  write_octal(out, MODE, stats.modes[index] & 07777);
  write_octal(out, UID, stats.uids[index]);
  write_octal(out, GID, stats.gids[index]);
  write_octal(out, MTIME, static_cast<uint64_t>(mtime_ns / NS_PER_SECOND));
  write_checksum(out);
}

}  // namespace ibt
