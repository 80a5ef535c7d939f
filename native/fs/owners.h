#pragma once
#include <sys/types.h>

#include <optional>
#include <string>

namespace ibt {

// Names and numbers of this system's users and groups; none if there is no such record.
std::optional<std::string> user_name_of(uid_t uid);
std::optional<std::string> group_name_of(gid_t gid);
std::optional<uid_t> user_id_of(const std::string& name);
std::optional<gid_t> group_id_of(const std::string& name);

}  // namespace ibt
