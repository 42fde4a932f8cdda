import { usePlace } from "../../route";
import { List } from "./List";
import { Waiting } from "./Waiting";

export default function Queue() {
  const { item, asked } = usePlace();
  return item ? <Waiting key={item} id={item} /> : <List key={asked.toString()} asked={asked} />;
}
