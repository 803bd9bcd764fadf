// Files that are sent along, with their sizes.

import { FileText, X } from "lucide";
import { m } from "../i18n";
import { bytes } from "../lib/format";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";

export function FileList({ files, label, remove }: { files: readonly { name: string; size: number; preview?: string }[]; label?: string; remove?: (at: number) => void }) {
  if (files.length === 0) return null;
  return (
    <ul class="files" aria-label={label}>
      {files.map((file, at) => (
        <li class="file">
          {file.preview ? <img class="thumb" src={file.preview} alt="" /> : <Icon of={FileText} size={16} />} <span dir="auto">{file.name}</span> <small>{bytes(file.size)}</small>
          {remove && <IconButton icon={X} size={14} label={m.chat.removeFile(file.name)} onClick={() => remove(at)} />}
        </li>
      ))}
    </ul>
  );
}
